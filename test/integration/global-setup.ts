import { execFileSync } from "node:child_process";
import type { TestProject } from "vitest/node";
import { linkInto } from "../support/package.ts";
import { networkOf } from "./support/lab.ts";
import { packageOf, sweep } from "./support/sweep.ts";

/**
 * Removes what a killed run left behind, and what this one leaves: vitest runs no afterAll when it is interrupted.
 * Gives each worker a network. Builds the package: the hosts are hardened by what its users get.
 */
export default function setup({ vitest }: TestProject): () => void {
  const image = process.env.LAB_IMAGE ?? "redkeep-lab:bookworm";
  try {
    execFileSync("docker", ["image", "inspect", image], { stdio: "ignore" });
  } catch {
    throw new Error(`The lab image ${image} is missing or Docker does not run: run "sh lab/setup.sh" first.`);
  }
  process.env.REDKEEP_LAB_PID = String(process.pid);
  sweep();
  process.on("exit", () => sweep(process.pid));
  process.env.REDKEEP_LAB_PACKAGE = packageOf(process.pid);
  linkInto(process.env.REDKEEP_LAB_PACKAGE);
  const most = Math.max(...vitest.projects.map(({ config }) => config.maxWorkers));
  for (let worker = 1; worker <= most; worker++)
    execFileSync("docker", [
      "network",
      "create",
      "--label",
      `redkeep.lab=${process.pid}`,
      networkOf(`${worker}`),
    ]);
  return () => sweep(process.pid);
}
