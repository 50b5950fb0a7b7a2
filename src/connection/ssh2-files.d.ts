/* The types of ssh2 describe only its index. */

declare module "ssh2/lib/agent.js" {
  import { type OpenSSHAgent } from "ssh2";

  const agent: { OpenSSHAgent: typeof OpenSSHAgent };
  export default agent;
}

declare module "ssh2/lib/Channel.js" {
  const channel: { MAX_WINDOW: number; PACKET_SIZE: number };
  export default channel;
}

declare module "ssh2/lib/client.js" {
  import { Client } from "ssh2";
  export default Client;
}

declare module "ssh2/lib/protocol/keyParser.js" {
  import { utils } from "ssh2";

  const keyParser: { parseKey: typeof utils.parseKey };
  export default keyParser;
}

declare module "ssh2/lib/protocol/Protocol.js" {
  const Protocol: { prototype: Record<string, (...words: unknown[]) => unknown> };
  export default Protocol;
}
