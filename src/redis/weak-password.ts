const EXAMPLES = [
  "use-a-very-long-random-password-here",
  "monitorpassword",
  "strongapppassword",
  "adminpassword",
  "foobared",
];

/** Under 16 characters, an example out of a guide, or one character over and over. */
export function isWeakPassword(text: string): boolean {
  return (
    text.length < 16 ||
    EXAMPLES.some((example) => text.toLowerCase().includes(example)) ||
    new Set(text).size < 5
  );
}
