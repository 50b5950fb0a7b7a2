import type { Socket } from "node:net";
import ssh2 from "ssh2";
import { MESSAGE } from "../../src/connection/messages.ts";
import { string, uint32 } from "../../src/connection/openssh/wire.ts";
import { generateKey } from "../connection/support/server.ts";
import { flood, message, type Way, type Wire } from "./server.ts";

/** Clears the screen, sets the clipboard, draws a link, turns text round, breaks lines, speaks to a CI runner. */
export const STEERING =
  "\x1b[2J\x1b]52;c;cm9vdA==\x07\x1b]8;;http://evil.example\x1b\\\u202e\u200b\x9b2J\r\n::error::x\n\0";

/** With those that redkeep does not ask for by number. */
const MSG = {
  ...MESSAGE,
  disconnect: 1,
  extInfo: 7,
  loginFailure: 51,
  banner: 53,
  keyIsFine: 60,
  requestSuccess: 81,
} as const;

const IDENT = "SSH-2.0-OpenSSH_9.2p1\r\n";
const STDERR = uint32(1);
const NO = 0;
const YES = 1;

/** A message as it is before the first key exchange. */
function clear(...parts: (number | Buffer)[]): Buffer {
  const payload = message(...parts);
  const padding = 8 + ((8 - ((payload.length + 13) % 8)) % 8);
  return Buffer.concat([
    uint32(1 + payload.length + padding),
    Buffer.from([padding]),
    payload,
    Buffer.alloc(padding),
  ]);
}

function keyExchange(lists: string): Buffer {
  return clear(
    MSG.keyExchange,
    Buffer.alloc(16),
    ...Array.from({ length: 10 }, () => string(lists)),
    NO,
    uint32(0),
  );
}

const disconnect = (text: string) => [MSG.disconnect, uint32(2), string(text), string("")] as const;
const confirmation = (channel: number, window: number, packetSize: number) =>
  [MSG.openConfirmation, uint32(channel), uint32(channel), uint32(window), uint32(packetSize)] as const;
const data = (channel: number, text: string | Buffer) => [MSG.data, uint32(channel), string(text)] as const;
const stderr = (channel: number, text: string | Buffer, type = STDERR) =>
  [MSG.extendedData, uint32(channel), type, string(text)] as const;
const endOfData = (channel: number) => [MSG.endOfData, uint32(channel)] as const;
const close = (channel: number) => [MSG.close, uint32(channel)] as const;
const exitStatus = (channel: number, status: number) =>
  [MSG.channelRequest, uint32(channel), string("exit-status"), NO, uint32(status)] as const;

/** Says what it is, then this. */
const afterIdent = (act: (socket: Socket) => void) => (socket: Socket) => {
  socket.write(IDENT);
  act(socket);
};
/** Once a channel runs. */
const running = (act: (wire: Wire, channel: number) => void) => (wire: Wire) =>
  wire.onRunning((channel) => act(wire, channel));
/** Once somebody is in, who never gets a channel. */
const flooding =
  (...parts: (number | Buffer)[]) =>
  (wire: Wire) => {
    wire.onOpen(() => {});
    wire.flood(...parts);
  };
/** In place of an answer to a channel that is asked for. */
const opening = (act: (wire: Wire, channel: number) => void) => (wire: Wire) =>
  wire.onOpen((channel) => act(wire, channel));

const LARGE = Buffer.alloc(32_000, "x");
const BREACH = /breaks the SSH protocol/;

/** What a server does before and in place of SSH. */
const BANNERS: Way[] = [
  {
    name: "greets without end",
    tcp: (socket) => flood(socket, () => socket.write("welcome\r\n".repeat(1000))),
  },
  { name: "greets without end, in one line", tcp: (socket) => flood(socket, () => socket.write(LARGE)) },
  { name: "sends NULs", tcp: (socket) => flood(socket, () => socket.write(Buffer.alloc(4096))) },
  {
    name: "sends its greeting byte by byte",
    waits: true,
    tcp: (socket) => {
      const timer = setInterval(() => socket.write("S"), 100);
      socket.on("close", () => clearInterval(timer));
    },
  },
  { name: "speaks an SSH of old", tcp: (socket) => socket.write("SSH-1.5-Cisco-1.25\r\n") },
  { name: "greets with what steers terminals", tcp: (socket) => socket.end(`${STEERING}\r\n`) },
  { name: "names itself with what steers terminals", tcp: (socket) => socket.end(`SSH-2.0-${STEERING}\r\n`) },
  { name: "hangs up at once", tcp: (socket) => socket.end() },
  { name: "resets at once", tcp: (socket) => socket.resetAndDestroy() },
  { name: "never says anything", waits: true, tcp: () => {} },
];

const KEY_EXCHANGES: Way[] = [
  { name: "says no more than its name", waits: true, tcp: afterIdent(() => {}) },
  { name: "ends its side after its name", tcp: afterIdent((socket) => socket.end()) },
  {
    name: "resets after its name",
    tcp: afterIdent((socket) => setTimeout(() => socket.resetAndDestroy(), 20)),
  },
  {
    name: "sends garbage for a key exchange",
    tcp: afterIdent((socket) => flood(socket, () => socket.write(LARGE))),
  },
  {
    name: "sends a message of four gigabytes",
    tcp: afterIdent((socket) => socket.write(uint32(0xffff_ffff))),
  },
  { name: "sends a message of no length", tcp: afterIdent((socket) => socket.write(Buffer.alloc(64))) },
  {
    name: "sends lists of 3 KB of commas",
    tcp: afterIdent((socket) => socket.write(keyExchange(",".repeat(3000)))),
  },
  { name: "knows no algorithm", tcp: afterIdent((socket) => socket.write(keyExchange("none-at-all"))) },
  {
    name: "names algorithms that steer terminals",
    tcp: afterIdent((socket) => socket.write(keyExchange(STEERING))),
  },
  {
    name: "begins the key exchange without end",
    tcp: afterIdent((socket) => flood(socket, () => socket.write(keyExchange("curve25519-sha256")))),
  },
  {
    name: "ignores without end before the key exchange",
    tcp: afterIdent((socket) =>
      flood(socket, () => socket.write(clear(MSG.ignore, string(LARGE.subarray(0, 1000))))),
    ),
  },
  {
    name: "takes leave with what steers terminals before the key exchange",
    tcp: afterIdent((socket) => socket.write(clear(...disconnect(STEERING)))),
  },
  {
    name: "signs the key exchange wrongly",
    begin: ({ protocol }) => {
      const encrypt = protocol._cipher.encrypt.bind(protocol._cipher);
      protocol._cipher.encrypt = (packet) => {
        // The reply; the padding follows the signature.
        const at = packet.length - 21 - (packet[4] ?? 0);
        if (packet[5] === 31) packet[at] = (packet[at] ?? 0) ^ 1;
        encrypt(packet);
      };
    },
    reason: /signature|key exchange/,
  },
  {
    name: "leaves in the middle of the key exchange",
    begin: ({ protocol, socket }) => {
      const encrypt = protocol._cipher.encrypt.bind(protocol._cipher);
      protocol._cipher.encrypt = (packet) => {
        if (packet[5] === 31) socket.resetAndDestroy();
        else encrypt(packet);
      };
    },
  },
];

const LOGINS: Way[] = [
  { name: "never answers a login", waits: true, login: () => {} },
  {
    name: "lets in in part without end",
    login: (_, context) => context.reject(["publickey", "password"], true),
  },
  {
    name: "names 30 KB of ways to log in",
    login: (wire) => wire.send(MSG.loginFailure, string("publickey,".repeat(3000)), NO),
  },
  { name: "refuses without end", login: (wire) => wire.flood(MSG.loginFailure, string("publickey"), NO) },
  { name: "shows banners without end", kept: (wire) => wire.flood(MSG.banner, string(LARGE), string("")) },
  {
    name: "shows small banners without end",
    kept: (wire) => wire.flood(MSG.banner, string("x"), string("")),
  },
  {
    name: "says without end that a key would do",
    login: (wire) => wire.flood(MSG.keyIsFine, string("ssh-ed25519"), string(generateKey().blob)),
  },
  {
    name: "asks a thousand questions",
    hasPassword: true,
    login: (wire, context) => {
      if (context.method !== "keyboard-interactive") context.reject(["keyboard-interactive"]);
      else {
        const question = message(string("?"), NO);
        const questions = Array.from({ length: 1000 }, () => question);
        wire.flood(MSG.keyIsFine, string(""), string(""), string(""), uint32(1000), ...questions);
      }
    },
  },
  {
    name: "asks without end, and for nothing",
    hasPassword: true,
    login: (wire, context) => {
      if (context.method !== "keyboard-interactive") context.reject(["keyboard-interactive"]);
      else wire.flood(MSG.keyIsFine, string(""), string(""), string(""), uint32(0));
    },
  },
  {
    name: "lets in before it was asked, and says no more",
    waits: true,
    kept: (wire) => wire.send(MSG.loginSuccess),
  },
  {
    name: "lets in twice",
    login: (wire) => {
      wire.send(MSG.loginSuccess);
      wire.send(MSG.loginSuccess);
    },
    reason: BREACH,
  },
  {
    name: "takes a login back",
    login: (wire) => {
      wire.send(MSG.loginSuccess);
      wire.send(MSG.loginFailure, string("password"), NO);
    },
    reason: BREACH,
  },
  {
    name: "takes leave with what steers terminals in place of a login",
    login: (wire) => wire.send(...disconnect(`signing ${STEERING}`)),
  },
  { name: "resets in place of a login", login: ({ socket }) => socket.resetAndDestroy() },
  {
    name: "opens a channel before the login",
    kept: (wire) => wire.send(...confirmation(0, 0, 0)),
    reason: BREACH,
  },
  {
    name: "tells of extensions without end",
    kept: (wire) => wire.flood(MSG.extInfo, uint32(1), string("x"), string("y")),
  },
];

const SESSIONS: Way[] = [
  {
    name: "exchanges keys without end",
    waits: true,
    inside: ({ client, protocol }) => {
      client.on("rekey", () => protocol.rekey());
      protocol.rekey();
    },
  },
  {
    name: "begins to exchange keys anew and says no more",
    waits: true,
    status: "unknown",
    inside: (wire) => wire.send(...rekeying()),
  },
  {
    name: "exchanges keys anew with another host key",
    inside: ({ protocol }) => {
      const parsed = ssh2.utils.parseKey(generateKey().private);
      for (const name of Object.keys(protocol._hostKeys)) protocol._hostKeys[name] = [parsed].flat()[0];
      protocol.rekey();
    },
    reason: /host key/,
  },
  { name: "ignores without end", inside: flooding(MSG.ignore, string("x")) },
  {
    name: "debugs without end",
    inside: flooding(MSG.debug, YES, string(STEERING), string("")),
  },
  {
    name: "does not understand, without end",
    inside: flooding(MSG.unimplemented, uint32(3)),
  },
  {
    name: "speaks in messages that do not exist, without end",
    inside: flooding(200, string("x")),
  },
  {
    name: "asks for replies without end",
    inside: flooding(MSG.globalRequest, string("keepalive@openssh.com"), YES),
  },
  { name: "replies without end", inside: flooding(MSG.requestSuccess) },
  {
    name: "shows other host keys without end",
    inside: flooding(MSG.globalRequest, string("hostkeys-00@openssh.com"), NO, string(generateKey().blob)),
  },
  {
    name: "opens X11 without end",
    inside: flooding(
      MSG.channelOpen,
      string("x11"),
      uint32(1),
      uint32(1),
      uint32(1),
      string("::1"),
      uint32(1),
    ),
  },
  {
    name: "opens forwarded connections without end",
    inside: flooding(
      MSG.channelOpen,
      ...[string("forwarded-tcpip"), uint32(1), uint32(1), uint32(1)],
      ...[string("::1"), uint32(22), string("::1"), uint32(1)],
    ),
  },
  {
    name: "takes leave with what steers terminals",
    status: "unknown",
    inside: (wire) => wire.send(...disconnect(STEERING)),
  },
];

/** A key exchange that the server begins after the login. */
function rekeying(): [number, ...(number | Buffer)[]] {
  return [MSG.keyExchange, Buffer.alloc(16), ...Array.from({ length: 10 }, () => string("x")), NO, uint32(0)];
}

const OPENINGS: Way[] = [
  { name: "never answers where a channel is asked for", waits: true, inside: opening(() => {}) },
  ...[0, 1, 100, 4095].map(
    (size): Way => ({
      name: `takes packets of ${size} bytes`,
      inside: opening((wire, channel) => {
        wire.send(...confirmation(channel, 0xffff_ffff, size));
        wire.send(MSG.success, uint32(channel));
      }),
      reason: /packets of no more than \d+ bytes/,
    }),
  ),
  {
    name: "opens no window, ever",
    waits: true,
    inside: opening((wire, channel) => {
      wire.send(...confirmation(channel, 0, 1 << 15));
      wire.send(MSG.success, uint32(channel));
    }),
  },
  {
    name: "opens its window byte by byte, without end",
    waits: true,
    // In the end the script may have left whole.
    status: "unknown",
    inside: opening((wire, channel) => {
      wire.send(...confirmation(channel, 0, 1 << 15));
      wire.send(MSG.success, uint32(channel));
      wire.flood(MSG.windowAdjust, uint32(channel), uint32(1));
    }),
  },
  {
    name: "confirms a channel that nobody asked for",
    inside: opening((wire) => wire.send(...confirmation(77, 1 << 20, 1 << 15))),
    reason: BREACH,
  },
  {
    name: "confirms a channel twice",
    inside: opening((wire, channel) => {
      wire.send(...confirmation(channel, 1 << 20, 1 << 15));
      wire.send(...confirmation(channel, 1 << 20, 0));
    }),
    reason: BREACH,
  },
  {
    name: "confirms a channel in half",
    inside: opening((wire, channel) => wire.send(MSG.openConfirmation, uint32(channel), uint32(channel))),
    reason: BREACH,
  },
  {
    name: "sends data before it confirms the channel",
    inside: opening((wire, channel) => wire.send(...data(channel, "x"))),
    reason: BREACH,
  },
  {
    name: "refuses a channel with what steers terminals",
    inside: opening((wire, channel) =>
      wire.send(MSG.openFailure, uint32(channel), uint32(1), string(STEERING.repeat(200)), string("")),
    ),
  },
  {
    name: "closes a channel in place of opening it",
    inside: opening((wire, channel) => wire.send(...close(channel))),
    reason: BREACH,
  },
];

const CHANNELS: Way[] = [
  {
    name: "resets while a channel runs",
    inside: running(({ socket }) => socket.resetAndDestroy()),
  },
  {
    name: "ends its side while a channel runs",
    inside: running(({ socket }) => socket.end()),
  },
  { name: "says nothing on a channel", waits: true, inside: running(() => {}) },
  {
    name: "sends data on a channel of nobody",
    inside: running((wire) => wire.send(...data(99, "x"))),
    reason: BREACH,
  },
  {
    name: "sends data after the end of the data",
    inside: running((wire, channel) => {
      wire.send(...endOfData(channel));
      wire.send(...data(channel, "x"));
    }),
    reason: BREACH,
  },
  {
    name: "sends errors after the end of the data",
    inside: running((wire, channel) => {
      wire.send(...endOfData(channel));
      wire.send(...stderr(channel, "x"));
    }),
    reason: BREACH,
  },
  {
    name: "sends data after it closed the channel, without end",
    waits: true,
    inside: running((wire, channel) => {
      wire.send(...close(channel));
      wire.flood(...data(channel, "x"));
    }),
  },
  {
    name: "closes a channel without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...close(channel))),
  },
  {
    name: "ends the data without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...endOfData(channel))),
  },
  {
    name: "sends extended data of no kind, without end",
    inside: running((wire, channel) => wire.flood(...stderr(channel, LARGE, uint32(7)))),
  },
  { name: "sends data without end", inside: running((wire, channel) => wire.flood(...data(channel, LARGE))) },
  {
    name: "sends errors without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...stderr(channel, LARGE))),
  },
  {
    name: "sends data of a byte each, without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...data(channel, "x"))),
  },
  {
    name: "sends errors of a byte each, without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...stderr(channel, "x"))),
  },
  {
    name: "sends data of no length, without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...data(channel, ""))),
  },
  {
    name: "sends data that is longer than its message",
    inside: running((wire, channel) =>
      wire.send(MSG.data, uint32(channel), uint32(0x7fff_ffff), Buffer.from("x")),
    ),
  },
  {
    name: "tells an exit status without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(...exitStatus(channel, 0))),
  },
  {
    name: "tells of a signal that steers terminals",
    inside: running((wire, channel) => {
      const signal = [string(STEERING), NO, string(STEERING), string("")];
      wire.send(MSG.channelRequest, uint32(channel), string("exit-signal"), NO, ...signal);
      wire.send(...close(channel));
    }),
  },
  {
    name: "asks for replies on a channel without end",
    waits: true,
    inside: running((wire, channel) =>
      wire.flood(MSG.channelRequest, uint32(channel), string("keepalive@openssh.com"), YES),
    ),
  },
  {
    name: "says yes on a channel without end",
    waits: true,
    inside: running((wire, channel) => wire.flood(MSG.success, uint32(channel))),
  },
  {
    name: "cuts a message about a channel short",
    inside: running((wire) => wire.send(MSG.data, 0)),
    reason: BREACH,
  },
];

/** What only a jump host can do to those behind it. */
const JUMPS: Way[] = [
  {
    name: "leads to a stranger",
    only: "jump",
    inside: ({ client }) => client.on("tcpip", (accept) => ssh2Stranger.injectSocket(accept() as never)),
    reason: /host key/,
  },
  {
    name: "forwards another greeting, and garbage",
    only: "jump",
    inside: running((wire, channel) => {
      wire.send(...data(channel, IDENT));
      wire.flood(...data(channel, LARGE));
    }),
  },
  {
    name: "forwards what steers terminals",
    waits: true,
    only: "jump",
    inside: running((wire, channel) => wire.send(...data(channel, `${STEERING}\r\n`))),
  },
];

const ssh2Stranger = new ssh2.Server({ hostKeys: [generateKey().private] }, (client) =>
  client.on("error", () => {}),
);
ssh2Stranger.on("error", () => {});

/** A script that was sent may have run, whatever the server says next. */
const mayHaveRun = (way: Way): Way => ({ ...way, status: "unknown" });

export const WAYS: readonly Way[] = [
  ...BANNERS,
  ...KEY_EXCHANGES,
  ...LOGINS,
  ...SESSIONS,
  ...OPENINGS,
  ...CHANNELS.map(mayHaveRun),
  ...JUMPS,
];
