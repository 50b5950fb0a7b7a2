import { tlsPaths } from "../pki/server-files.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import type { Refusal } from "../resources/kind.ts";

/** redis-cli's options that take a word, by the setting of redis.conf that the word comes from. */
const SETTINGS: Readonly<Record<string, string>> = {
  "-s": "unixsocket",
  "-h": "bind",
  "-p": "port",
  "--cacert": "tls-ca-cert-file",
  "--cert": "tls-cert-file",
  "--key": "tls-key-file",
};

/** Words for redis-cli that lead to a server with this configuration: the Unix socket where there is one. */
export function endpointOf({ configPath }: Pick<Server, "configPath">, config: ConfigDocument): string[] {
  const socket = config.get("unixsocket")?.[0];
  const port = config.get("port")?.[0] ?? "6379";
  const tlsPort = config.get("tls-port")?.[0] ?? "0";
  const bound = (config.get("bind") ?? ["127.0.0.1"]).map((text) => text.replace(/^-/, ""));
  const address =
    bound.includes("127.0.0.1") || bound.includes("0.0.0.0") || bound.includes("*")
      ? "127.0.0.1"
      : (bound[0] ?? "127.0.0.1");
  if (socket !== undefined && socket !== "") return ["-s", socket];
  if (port !== "0") return ["-h", address, "-p", port];
  const { ca, certificate, key } = tlsPaths(configPath);
  return ["-h", address, "-p", tlsPort, "--tls", "--cacert", ca, "--cert", certificate, "--key", key];
}

/**
 * Words that the host's program must not split: it hands them to redis-cli as root, and the service user may own the file
 * that they come from.
 */
export function* endpointRefusals(words: readonly string[]): Iterable<Refusal> {
  for (let i = 0; i < words.length; i++) {
    const option = words[i] ?? "";
    if (option === "--tls") continue;
    const word = words[++i] ?? "";
    const setting = Object.hasOwn(SETTINGS, option) ? SETTINGS[option] : undefined;
    if (setting !== undefined && /^[\w./@:+][\w./@:+-]*$/.test(word)) continue;
    yield {
      guard: null,
      found: `${setting ?? "the way into Redis"} reads ${JSON.stringify(setting === undefined ? option : word)}: no word that redkeep hands to redis-cli`,
      remedy: `let ${setting ?? "redis.conf"} hold letters, digits and . _ / @ : + - alone`,
    };
  }
}
