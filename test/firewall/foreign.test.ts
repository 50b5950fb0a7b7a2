import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type ForeignTexts, foreignFirewalls, parsePublishedPorts } from "../../src/firewall/foreign.ts";

const fixture = (path: string) => readFileSync(new URL(`../fixtures/ufw/${path}`, import.meta.url), "utf8");
const find = (texts: Partial<ForeignTexts>) =>
  foreignFirewalls({ kernel4: "", kernel6: "", foreign: "", dockerPorts: "", ...texts });

describe("foreignFirewalls", () => {
  it("finds nothing where ufw is alone", () => {
    const kernel4 = fixture("kinds/iptables-save.txt");
    const kernel6 = fixture("kinds/ip6tables-save.txt");
    expect(kernel4).toContain("-A INPUT -j ufw-before-input");
    expect(find({ kernel4, kernel6 })).toEqual([]);
    expect(find({})).toEqual([]);
  });

  it("names active firewall services", () => {
    expect(find({ foreign: "firewalld\nnftables\n" }).map((text) => text.split(":")[0])).toEqual([
      "firewalld is active",
      "nftables.service is active",
    ]);
  });

  it("quotes a rule ahead of ufw, which lets packets past it", () => {
    const rule = "-A INPUT -p tcp -m tcp --dport 6379 -j ACCEPT";
    const ufw = fixture("kinds/iptables-save.txt");
    const first = "-A INPUT -j ufw-before-logging-input";
    expect(find({ kernel4: ufw.replace(first, `${rule}\n${first}`) })).toEqual([
      `the kernel has an IPv4 rule ahead of ufw that ufw does not know: ${rule}`,
    ]);
    const last = "-A INPUT -j ufw-track-input";
    expect(find({ kernel4: ufw.replace(last, `${last}\n${rule}`) })[0]).toContain("behind ufw");
    expect(find({ kernel6: `*filter\n${rule}\n` })[0]).toContain("an IPv6 rule that ufw does not know");
  });

  it("quotes what before.rules lets in ahead of every user rule", () => {
    const rule = "-A ufw-before-input -p tcp -m tcp --dport 6379 -j ACCEPT";
    const kernel4 = `${fixture("kinds/iptables-save.txt")}\n${rule}\n`;
    expect(find({ kernel4 })).toEqual([`before.rules lets packets in ahead of ufw's rules: ${rule}`]);
  });

  it("knows tools by their chains, and that fail2ban only turns away", () => {
    const kernel4 =
      "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n-A INPUT -m comment --comment x -j KUBE-FIREWALL\n-A INPUT -j KUBE-SERVICES\n";
    expect(find({ kernel4 })).toEqual(["Kubernetes has rules of its own for incoming IPv4 packets"]);
  });

  it("finds nftables' own input chains, not those that iptables keeps there", () => {
    // Recorded: nft 1.0.6 with a table by hand, iptables-nft's beside it.
    const nftables = `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport 6379 accept
	}
}
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		tcp dport 22 counter packets 0 bytes 0 accept
	}
}
table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
	}
}
`;
    expect(find({ nftables })).toEqual([
      "nftables table inet filter filters incoming packets beside ufw (policy drop)",
      "firewalld's rules are in the kernel beside ufw's",
    ]);
  });

  it("names each port that Docker publishes past ufw once, and none on loopback", () => {
    // Recorded from Docker 28 (client), 20.10 (engine).
    const dockerPorts =
      "cache 22/tcp, 0.0.0.0:36379->6379/tcp, [::]:36379->6379/tcp, 127.0.0.1:36380->6380/tcp\nidle \nlab-1 22/tcp, 6379/tcp\n";
    expect(find({ dockerPorts })).toEqual([
      "Docker publishes port 36379/tcp (6379 of container cache) past ufw; publish it on 127.0.0.1, or filter it in DOCKER-USER",
    ]);
  });
});

describe("parsePublishedPorts", () => {
  it("reads ranges, and IPv6 with and without brackets", () => {
    const ports = parsePublishedPorts(
      "c\t0.0.0.0:7000-7005->7000-7005/tcp, :::53->53/udp, [fd00::1]:80->8080/tcp\n",
    );
    expect(
      ports.map(({ address, port, containerPort, protocol }) => [address, port, containerPort, protocol]),
    ).toEqual([
      ["0.0.0.0", "7000-7005", "7000-7005", "tcp"],
      ["::", "53", "53", "udp"],
      ["fd00::1", "80", "8080", "tcp"],
    ]);
  });
});
