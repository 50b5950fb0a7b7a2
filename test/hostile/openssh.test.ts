/* The same servers once more, over the system's ssh. */
import { afterAll } from "vitest";
import { overOpenSsh } from "../connection/support/server.ts";

const over = overOpenSsh();
afterAll(() => over[Symbol.dispose]());

await import("./hostile.test.ts?openssh");
