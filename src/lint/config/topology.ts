import type { ConfigDocument } from "../../redis/config-document.ts";
import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

export function lintTopology(settings: Settings, report: Report): void {
  if (settings.word("replica-read-only") === "no")
    report(
      settings.place("replica-read-only"),
      "RK-REP-01",
      "the replica takes writes that its primary never sees",
      "replica-read-only yes",
    );
}

export function lintSentinel(document: ConfigDocument, report: Report): void {
  const off = document.all("protected-mode").find(({ args }) => args[0]?.toLowerCase() === "no");
  const hasLogin = ["requirepass", "aclfile", "user"].some((name) => document.all(name).length > 0);
  if (off !== undefined && !hasLogin)
    report(
      off,
      "RK-NET-10",
      "Sentinel answers everybody, who may then name another primary",
      "requirepass, or bind it to the addresses of the others",
    );
}
