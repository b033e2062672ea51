// The prompt: small letters drawn by a seed. The synthetic vocabulary holds every byte as a token of its own and no merged
// letters, so ids and text say the same thing; wllama takes text only, the other engines take ids.

const FIRST_ID = 64; // of the letter "a" in the order of GPT-2's bytes
const LETTERS = 26;

export function promptIds(length, seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return FIRST_ID + Math.floor((state / 2 ** 32) * LETTERS);
  });
}

export const textOf = (ids) => String.fromCharCode(...ids.map((id) => 'a'.charCodeAt(0) + id - FIRST_ID));
