#!/usr/bin/env node
if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(`redkeep needs Node 24 or newer, found ${process.versions.node}\n`);
  process.exit(1);
}
const { keepCompiledCode } = await import("./compile-cache.ts");
keepCompiledCode(process.env);
const { main } = await import("./commands/main.ts");
await main(process);
