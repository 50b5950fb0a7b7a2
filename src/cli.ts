#!/usr/bin/env node
if (Number(process.versions.node.split(".")[0]) < 22) {
  process.stderr.write(`redkeep needs Node 22 or newer, found ${process.versions.node}\n`);
  process.exit(1);
}
const { hideTyping } = await import("./lib/hide-typing.ts");
hideTyping(process);
const { keepCompiledCode } = await import("./cli/code-cache.ts");
keepCompiledCode(process);
const { main } = await import("./cli/main.ts");
await main(process);
// The run is over and its record is written. A peer that keeps its connection open must not keep the program running.
const leave = setInterval(() => {
  if (process.stdout.writableLength + process.stderr.writableLength === 0) process.exit();
}, 2_000);
leave.unref();
