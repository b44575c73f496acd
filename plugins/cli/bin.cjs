#!/usr/bin/env node
/**
 * `graft`: finds the Node to run on. Every Node since 4 can parse this file, so that an old one gets a sentence and not
 * a syntax error; what comes after it is in start.cjs.
 */
var fs = require("fs")
var path = require("path")

var home = path.resolve(__dirname, "../..")
var version = process.versions.node.split(".")

if (Number(version[0]) > 22 || (Number(version[0]) === 22 && Number(version[1]) >= 22)) require("./start.cjs")
else moveToPinned()

/** A checkout brings its Node along as a development dependency. */
function moveToPinned() {
  var pinned = ["node", "node.exe"].map(function (name) { return path.join(home, "node_modules/node/bin", name) }).filter(function (file) { return fs.existsSync(file) })[0]
  if (!pinned) return refuse()
  var child = require("child_process").spawn(pinned, [__filename].concat(process.argv.slice(2)), { stdio: "inherit" })
  ;["SIGINT", "SIGTERM", "SIGHUP"].forEach(function (signal) {
    // Ctrl-C reaches both by itself, and twice would be once too often.
    process.on(signal, function () { if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal) })
  })
  child.on("error", refuse)
  child.on("exit", function (code, signal) { process.exit(code === null ? (signal === "SIGKILL" ? 137 : 130) : code) })
}

function refuse() {
  var checkout = fs.existsSync(path.join(home, "package-lock.json"))
  process.stderr.write(
    "graft needs Node 22.22 or newer, and this is " + process.versions.node + " (" + process.execPath + "). " +
    (checkout ? "`npm install`, with its scripts allowed, brings the right one along; or get it" : "Get it") + " from https://nodejs.org, or with `nvm install 24`.\n"
  )
  process.exitCode = 1
}
