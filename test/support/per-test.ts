import { afterEach, beforeEach } from "vitest";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";

/** A folder and room for servers, new for each test of the file that calls this, and gone after it. */
export function perTest(): { readonly directory: Directory; readonly servers: AsyncDisposableStack } {
  let directory: Directory;
  let servers: AsyncDisposableStack;
  beforeEach(() => {
    directory = temporaryDirectory();
    servers = new AsyncDisposableStack();
  });
  afterEach(async () => {
    await servers.disposeAsync();
    directory[Symbol.dispose]();
  });
  return {
    get directory() {
      return directory;
    },
    get servers() {
      return servers;
    },
  };
}
