/** The document as a page for people: whole in one answer, without a script, and nothing is fetched for it. */

type Plain = Record<string, any>

const SAFE = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
nav { columns: 14rem; margin: 1rem 0 2rem }
nav a { display: block; text-decoration: none; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
details { border-top: 1px solid #8884; padding: .4rem 0 }
summary { cursor: pointer }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { background: #8881; padding: .6rem; overflow-x: auto; border-radius: 4px; white-space: pre-wrap }
b.method { display: inline-block; width: 4.2rem }
dt { font-family: ui-monospace, monospace; font-size: 13px } dd { margin: 0 0 .4rem 1.5rem; color: #888 }`

export function page(specification: unknown): Response {
  const { info, paths, components } = specification as Plain
  const operations = Object.entries(paths as Plain).flatMap(([path, methods]) => Object.entries(methods as Plain).map(([method, operation]) => ({ path, method, operation: operation as Plain })))
  const byTag = Map.groupBy(operations, ({ operation }) => String(operation.tags?.[0]))
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Graft: HTTP</title><style>${STYLE}</style>
<h1>Graft ${escape(info.version)}: HTTP</h1>
<p>Every call carries <code>authorization: Bearer &lt;token&gt;</code> (<code>graft server token</code> prints it). <code>?directory=</code> or the header <code>x-graft-directory</code> names the project. What fails says <code>{ error: { code, message, field?, hint? } }</code>. The same as data: <a href="/openapi.json">/openapi.json</a>.</p>
<p>${escape(info.description)}</p>
<nav>${operations.map(({ operation: { operationId } }) => `<a href="#${escape(operationId)}">${escape(operationId)}</a>`).join("")}</nav>
${[...byTag].map(([tag, list]) => `<h2>${escape(tag)}</h2>${list.map(operationOf).join("")}`).join("")}
<h2>Words</h2>${Object.entries(components.schemas as Plain).map(([name, schema]) => `<details id="type-${escape(name)}"><summary><code>${escape(name)}</code></summary><pre>${linked(typeOf(schema as Plain))}</pre></details>`).join("")}
</html>`
  return new Response(html, { headers: SAFE })
}

function operationOf({ path, method, operation: { operationId, summary, description, parameters = [], requestBody, responses } }: { path: string; method: string; operation: Plain }): string {
  const fields = (parameters as Plain[]).map(({ name, in: where, required, description: about, schema }) => `<dt>${escape(name)}${required ? "" : "?"}: ${linked(typeOf(schema))} <small>(${escape(where)})</small></dt>${about ? `<dd>${escape(about)}</dd>` : ""}`).join("")
  const answers = Object.entries(responses as Plain).map(([status, answer]) => {
    const content = Object.entries((answer.content ?? {}) as Plain)[0]
    return answer["x-codes"] ? `<dt>${status}</dt><dd>${(answer["x-codes"] as string[]).map(escape).join(", ")}</dd>` : `<dt>${status}</dt><dd>${content ? `${escape(content[0])}<pre>${linked(typeOf(content[1].schema))}</pre>` : "nothing"}</dd>`
  }).join("")
  const body = requestBody ? Object.entries(requestBody.content as Plain).map(([media, { schema }]) => `<h4>Body <small>${escape(media)}</small></h4><pre>${linked(typeOf(schema))}</pre>`).join("") : ""
  return `<details id="${escape(operationId)}"><summary><b class="method">${method.toUpperCase()}</b> <code>${escape(path)}</code> ${escape(summary)}</summary>${description ? `<p>${escape(description)}</p>` : ""}<p><code>${escape(operationId)}</code></p>${fields && `<dl>${fields}</dl>`}${body}<h4>Answers</h4><dl>${answers}</dl></details>`
}

/** A JSON Schema as TypeScript would write it. */
function typeOf(schema: Plain, indent = ""): string {
  if (schema.$ref) return String(schema.$ref).split("/").at(-1)!
  if ("const" in schema) return JSON.stringify(schema.const)
  if (schema.enum) return (schema.enum as unknown[]).map((each) => JSON.stringify(each)).join(" | ")
  const choices = (schema.oneOf ?? schema.anyOf) as Plain[] | undefined
  if (choices) return choices.map((each) => typeOf(each, indent)).join(" | ")
  if (schema.type === "array") return `${choices || schema.items?.oneOf ? `(${typeOf(schema.items, indent)})` : typeOf(schema.items ?? {}, indent)}[]`
  if (schema.type !== "object") return String(schema.type === "integer" ? "number" : (schema.type ?? "unknown"))
  const fields = Object.entries((schema.properties ?? {}) as Record<string, Plain>)
  if (fields.length === 0) return typeof schema.additionalProperties === "object" ? `Record<string, ${typeOf(schema.additionalProperties, indent)}>` : "{}"
  const inner = `${indent}  `
  return `{\n${fields.map(([name, each]) => `${inner}${name}${schema.required?.includes(name) ? "" : "?"}: ${typeOf(each, inner)}${each.description ? `  // ${each.description}` : ""}`).join("\n")}\n${indent}}`
}

const ESCAPED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }
const escape = (text: unknown): string => String(text).replace(/[&<>"']/g, (each) => ESCAPED[each]!)

/** Words that have a place of their own lead there. */
const linked = (text: string): string => escape(text).replace(/(?<=(?:^|: |\(|\| |, ))([A-Z]\w+)(?=$|\[|\)| |\n|&gt;)/gm, '<a href="#type-$1">$1</a>')
