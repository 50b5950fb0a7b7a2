import { execFileSync } from "node:child_process";
import { sweep } from "./support/sweep.ts";

/** Removes what a killed run left behind, and what this one leaves: vitest runs no afterAll when it is interrupted. */
export default function setup(): () => void {
  const image = process.env.LAB_IMAGE ?? "redkeep-lab:bookworm";
  try {
    execFileSync("docker", ["image", "inspect", image], { stdio: "ignore" });
  } catch {
    throw new Error(`The lab image ${image} is missing or Docker does not run: run "sh lab/setup.sh" first.`);
  }
  process.env.REDKEEP_LAB_PID = String(process.pid);
  sweep();
  process.on("exit", () => sweep(process.pid));
  return () => sweep(process.pid);
}
