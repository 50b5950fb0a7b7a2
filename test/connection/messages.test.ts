import { createRequire } from "node:module";
import { expect, it } from "vitest";
import { MESSAGE } from "../../src/connection/messages.ts";

/** The same numbers as somebody else wrote them down. The hostile servers of the tests speak with ours. */
const { MESSAGE: SSH2 }: { MESSAGE: Record<string, number> } = createRequire(import.meta.url)(
  "ssh2/lib/protocol/constants.js",
);

it("numbers SSH's messages as ssh2 does", () => {
  expect(MESSAGE).toEqual({
    ignore: SSH2.IGNORE,
    unimplemented: SSH2.UNIMPLEMENTED,
    debug: SSH2.DEBUG,
    keyExchange: SSH2.KEXINIT,
    // A login's messages have the numbers from 50 to 79: RFC 4252, 6.
    firstOfLogin: SSH2.USERAUTH_REQUEST,
    loginSuccess: SSH2.USERAUTH_SUCCESS,
    lastOfLogin: 79,
    globalRequest: SSH2.GLOBAL_REQUEST,
    channelOpen: SSH2.CHANNEL_OPEN,
    openConfirmation: SSH2.CHANNEL_OPEN_CONFIRMATION,
    openFailure: SSH2.CHANNEL_OPEN_FAILURE,
    windowAdjust: SSH2.CHANNEL_WINDOW_ADJUST,
    data: SSH2.CHANNEL_DATA,
    extendedData: SSH2.CHANNEL_EXTENDED_DATA,
    endOfData: SSH2.CHANNEL_EOF,
    close: SSH2.CHANNEL_CLOSE,
    channelRequest: SSH2.CHANNEL_REQUEST,
    success: SSH2.CHANNEL_SUCCESS,
    failure: SSH2.CHANNEL_FAILURE,
  });
});
