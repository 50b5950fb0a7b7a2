import { isObject, type Json } from "./json.ts";

/** A part of a rule about as nft itself prints it. */
export function words(value: Json): string {
  if (Array.isArray(value)) return value.map(words).join(",");
  if (!isObject(value)) return String(value);
  const [[kind, inner] = ["", null]] = Object.entries(value);
  if (kind === "counter") return "";
  if (inner === null) return kind;
  if (kind === "match" && isObject(inner)) {
    const op = inner.op === "==" || inner.op === "in" ? " " : ` ${inner.op} `;
    return `${words(inner.left ?? null)}${op}${words(inner.right ?? null)}`;
  }
  if (kind === "set" && Array.isArray(inner)) return `{ ${inner.map(words).join(", ")} }`;
  if (kind === "concat" && Array.isArray(inner)) return inner.map(words).join(" . ");
  if (kind === "range" && Array.isArray(inner)) return inner.map(words).join("-");
  if (kind === "&" && Array.isArray(inner))
    return `${words(inner[0] ?? null)} & (${words(inner[1] ?? null)})`;
  if (isObject(inner)) {
    if (kind === "payload") return `${inner.protocol} ${inner.field}`;
    if (kind === "prefix") return `${inner.addr}/${inner.len}`;
    if (kind === "meta") return /^[io]if/.test(String(inner.key)) ? String(inner.key) : `meta ${inner.key}`;
    if (kind === "ct") return `ct ${inner.key}`;
    if (kind === "fib") return `fib ${words(inner.flags ?? null)} ${inner.result}`;
    if (kind === "jump" || kind === "goto") return `${kind} ${inner.target}`;
    if (kind === "limit") return `limit rate ${inner.inv === true ? "over " : ""}${inner.rate}/${inner.per}`;
    if (kind === "reject") return "reject";
    if (kind === "log") return "log";
    if (kind === "redirect") return `redirect to :${words(inner.port ?? null)}`;
    if (kind === "dnat")
      return `dnat to ${words(inner.addr ?? null)}${inner.port === undefined ? "" : `:${inner.port}`}`;
    if (kind === "vmap") return `${words(inner.key ?? null)} vmap ${words(inner.data ?? null)}`;
  }
  return JSON.stringify(value);
}
