/** What is made when it is first asked for, and the same from then on. */
export function once<K, V>(made: Map<K, V>, key: K, make: (key: K) => V): V {
  let value = made.get(key)
  if (value === undefined && !made.has(key)) made.set(key, (value = make(key)))
  return value!
}
