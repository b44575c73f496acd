/** What a program inherits that serves the project and is not the user's own command: how to find things and speak, and none of the keys. */

const INHERITED = /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|XDG_\w+|DISPLAY|WAYLAND_DISPLAY|DBUS_SESSION_BUS_ADDRESS|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|(https?|no|all)_proxy|GRAFT_COMMAND)$/i
/** Where languages keep their own. */
const TOOLCHAINS = /^(GOPATH|GOROOT|GOFLAGS|GOCACHE|GOMODCACHE|GOTOOLCHAIN|CARGO_HOME|RUSTUP_HOME|RUSTUP_TOOLCHAIN|JAVA_HOME|VIRTUAL_ENV|PYTHONPATH|NODE_PATH|GEM_HOME|GEM_PATH|DOTNET_ROOT)$/

export const inherited = ({ toolchains = false } = {}): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name) || (toolchains && TOOLCHAINS.test(name))))
