/** Is a host this machine itself, as it is written in an address or by hand? */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1|\[::1\])$/.test(host)
