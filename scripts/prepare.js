/** `npm install` ends here: it builds when it can, and says why when it cannot. Graft runs from its sources as well. */
import { readFileSync, writeFileSync } from "node:fs"

keepLockfile(new URL("../package-lock.json", import.meta.url))

/** npm drops `gypfile` from the lockfile, and the next install from it would compile better-sqlite3, or fail where nothing can. */
function keepLockfile(file) {
  try {
    var text = readFileSync(file, "utf8")
    var whole = text.replace(/("node_modules\/better-sqlite3": \{\n\s+"version": [^\n]+\n(?:\s+"resolved": [^\n]+\n)?(\s+)"integrity": [^\n]+\n)(?!\s+"gypfile")/, '$1$2"gypfile": false,\n')
    if (whole !== text) writeFileSync(file, whole)
  } catch { /* an installed package has none */ }
}

var major = Number(process.versions.node.split(".")[0])
var minor = Number(process.versions.node.split(".")[1])

function say(why) {
  process.stdout.write("graft: not built (" + why + "); it will run from its sources, and start slower\n")
}

if (major < 22 || (major === 22 && minor < 22)) say("this is Node " + process.versions.node + ", it needs 22.22 or newer")
else
  import("rolldown").then(
    function () {
      return import("./build.ts").then(function (module) {
        return module.build().then(function (result) {
          process.stdout.write("graft: built in " + result.milliseconds + " ms\n")
        })
      })
    },
    function () {
      say("the bundler is a development dependency, and it is not installed")
    },
  ).catch(function (error) {
    process.stderr.write("graft: the build failed: " + error.message + "\n")
    process.exitCode = 1
  })
