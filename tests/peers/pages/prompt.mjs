// The prompt: capital letters drawn by a seed. In the synthetic vocabulary every byte is the token of its number and only small
// letters merge, so ids and text say the same thing; wllama takes text only, the other engines take ids.

const [FIRST, LETTERS] = ['A'.charCodeAt(0), 26];

export function promptIds(length, seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return FIRST + Math.floor((state / 2 ** 32) * LETTERS);
  });
}

export const textOf = (ids) => String.fromCharCode(...ids);
