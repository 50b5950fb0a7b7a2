#!/usr/bin/env node
if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(`redkeep needs Node 24 or newer, found ${process.versions.node}\n`);
  process.exit(1);
}
const { loadProgram } = await import("./load-program.ts");
const { main } = await loadProgram(process);
await main(process);
