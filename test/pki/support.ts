import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "../../src/lib/secret.ts";
import type { KeyPair } from "../../src/pki/issue.ts";
import { directoryWith } from "../inventory/inventory-on-disk.ts";

/** A folder with openssl in it, for certificates that redkeep itself would not make. */
export class Workshop {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<Workshop> {
    return new Workshop(await directoryWith({}));
  }

  openssl(...args: string[]): string {
    return execFileSync("openssl", args, { cwd: this.directory, encoding: "utf8", stdio: "pipe" });
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  /** A pair whose certificate signs itself. `algorithm` as `openssl req -newkey` takes it. */
  authority(name: string, algorithm: string[], extensions: string[]): KeyPair {
    this.write(
      `${name}.cnf`,
      `[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\nCN=${name}\n[ext]\n${extensions.join("\n")}\n`,
    );
    const files = ["-keyout", `${name}.key`, "-out", `${name}.crt`, "-config", `${name}.cnf`];
    this.openssl("req", "-x509", "-nodes", "-days", "100", "-newkey", ...algorithm, ...files);
    return this.pair(name);
  }

  /** A pair whose certificate `issuer`, a name of this workshop, signs. */
  issue(name: string, issuer: string, algorithm: string[], extensions: string[]): KeyPair {
    this.write(`${name}.ext`, `${extensions.join("\n")}\n`);
    const subject = ["-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`];
    this.openssl("req", "-new", "-nodes", "-newkey", ...algorithm, ...subject);
    const signer = ["-CA", `${issuer}.crt`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
    const files = ["-in", `${name}.csr`, "-out", `${name}.crt`, "-extfile", `${name}.ext`];
    this.openssl("x509", "-req", "-days", "100", ...signer, ...files);
    return this.pair(name);
  }

  pair(name: string): KeyPair {
    const read = (ending: string) => readFileSync(this.path(`${name}.${ending}`), "utf8");
    return { certificate: read("crt"), key: new Secret(read("key")) };
  }
}

/** Of a server: one of each kind that a certificate may name. */
export const NAMES = {
  dns: ["redis-01.example.com", "localhost", "*.cache.example.com", "redis_1"],
  ip: ["127.0.0.1", "10.0.0.11", "::1", "2001:db8::5", "::ffff:10.0.0.12", "2001:db8:1:2:3:4:5:6", "::"],
};

export const EC = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
export const CA_EXTENSIONS = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
