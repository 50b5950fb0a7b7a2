/* Every test of a connection once more, over the system's ssh. */
import { afterAll } from "vitest";
import { overOpenSsh } from "./support/server.ts";

const over = overOpenSsh();
afterAll(() => over[Symbol.dispose]());

await import("./ssh.test.ts?openssh");
