import { parentPort, workerData } from "node:worker_threads";
import type { KeyPair } from "../connection/support/server.ts";
import { startHostile, type Way } from "./server.ts";
import { WAYS } from "./ways.ts";

/** The server that plays a way. */
export interface Played {
  port: number;
  hostKey: KeyPair;
}

/** The places of some ways in the list of all, in; the servers that play them, out. */
const played: Played[] = [];
for (const index of workerData as number[]) {
  const { port, hostKey } = await startHostile(WAYS[index] as Way);
  played.push({ port, hostKey });
}
parentPort?.postMessage(played);
