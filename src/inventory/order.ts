/** Orders texts as their UTF-8 bytes, which is how Ansible orders names: upper case first, `g10` before `g9`. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
