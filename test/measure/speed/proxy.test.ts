import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { startProxy } from "../../../measure/speed/proxy.ts";

it.each([0, 4])(
  "a proxy with a delay of %i ms carries all bytes in order, both ways, and counts them",
  async (rtt) => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    await using proxy = await startProxy("127.0.0.1", (server.address() as AddressInfo).port, rtt);
    const sent = Array.from({ length: 2000 }, (_, index) => `${index}\n`).join("");
    const client = connect(proxy.port, "127.0.0.1");
    for (const piece of sent.match(/[\d\n]{1,97}/g) ?? []) client.write(piece);
    client.end();
    expect(await text(client)).toBe(sent);
    expect(proxy.traffic).toEqual({ connections: 1, sent: sent.length, received: sent.length });
    server.close();
  },
);
