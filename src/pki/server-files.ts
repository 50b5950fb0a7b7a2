import { dirname } from "node:path";

/** Where the three files lie, beside redis.conf. */
export function tlsPaths(configPath: string): {
  directory: string;
  ca: string;
  certificate: string;
  key: string;
} {
  const directory = `${dirname(configPath)}/tls`;
  return {
    directory,
    ca: `${directory}/redkeep-ca.crt`,
    certificate: `${directory}/redkeep-server.crt`,
    key: `${directory}/redkeep-server.key`,
  };
}
