import type { ConfigFilesFact } from "../facts/config-files.ts";
import { splitWords } from "./words.ts";

const SETTINGS = new Set([
  "requirepass",
  "masterauth",
  "primaryauth",
  "tls-key-file-pass",
  "tls-client-key-file-pass",
]);

/**
 * What the host's own files keep in clear text: passwords of Redis, of its users and its keys, and the names that only
 * those know who may run a renamed command.
 */
export function foundSecrets({ main, includes, aclFiles }: ConfigFilesFact): string[] {
  const texts = [...(main === undefined ? [] : [main]), ...includes].map(({ text }) => text);
  return [...texts, ...aclFiles.values()].flatMap((text) => text.split("\n")).flatMap(secretsOfLine);
}

function secretsOfLine(line: string): string[] {
  // Comments are most of a stock file, and every host has one.
  if (/^\s*(?:#|$)/.test(line)) return [];
  const [name = "", ...values] = splitWords(line.trim()) ?? line.trim().split(/\s+/);
  const setting = name.toLowerCase();
  if (SETTINGS.has(setting)) return values;
  if (setting === "rename-command") return values.slice(1);
  if (setting === "user") return values.filter((rule) => /^[<>]/.test(rule)).map((rule) => rule.slice(1));
  return [];
}
