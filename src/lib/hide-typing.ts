/** Options that ask for a password, by themselves or behind others that take no value: `-K`, `-vkK`. */
const ASKS = /^(?:--ask-pass|--ask-become-pass|-[bDCvy]*[kK][bDCvykK]*)$/;

/**
 * Switches the terminal's echo off where the command line asks for a password. The first thing of all: what somebody types or
 * pastes while the program loads is echoed as it arrives, long before a prompt. Node switches it on again at every end.
 */
export function hideTyping({ argv, stdin }: Pick<NodeJS.Process, "argv" | "stdin">): void {
  if (argv.slice(2).some((word) => ASKS.test(word)) && stdin.isTTY) stdin.setRawMode(true);
}
