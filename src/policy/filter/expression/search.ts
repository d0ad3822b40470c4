/** Whether a text holds another, in linear time whatever both are: they may come from the traffic. */

/** Up to here the engine's own search costs at most so many steps for each character. */
const SHORT = 16;

/** For each length of a match, the longest shorter one that it also ends with (Knuth, Morris, Pratt). */
export function failuresOf(part: string): Uint16Array | Int32Array {
  const table = part.length < 65536 ? new Uint16Array(part.length + 1) : new Int32Array(part.length + 1);
  let length = 0;
  for (let i = 1; i < part.length; i++) {
    while (length > 0 && part[i] !== part[length]) length = table[length];
    if (part[i] === part[length]) length++;
    table[i + 1] = length;
  }
  return table;
}

export function holds(text: string, part: string, failures: Uint16Array | Int32Array | null): boolean {
  if (part.length > text.length) return false;
  if (part.length <= SHORT) return text.includes(part);
  const table = failures ?? failuresOf(part);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    while (length > 0 && text[i] !== part[length]) length = table[length];
    if (text[i] === part[length] && ++length === part.length) return true;
  }
  return false;
}
