/*
 * The half of ssh2 that redkeep uses. Its index loads the server, SFTP and agents for HTTP as well, and with those
 * Node's TLS: a fifth of what loading ssh2 costs. The version is pinned, so these files stay where they are.
 */
import agent from "ssh2/lib/agent.js";
import channel from "ssh2/lib/Channel.js";
import Client from "ssh2/lib/client.js";
import keyParser from "ssh2/lib/protocol/keyParser.js";

export { Client };
export const { OpenSSHAgent } = agent;
/** What ssh2 lets a peer send on a channel, in bytes: without asking for more, and in one packet. */
export const { MAX_WINDOW, PACKET_SIZE } = channel;
export const { parseKey } = keyParser;
