/**
 * The probability at or above which a row counts as the second class: the one with the largest F1 = 2 TP / (2 TP + FP + FN)
 * over the rows (van Rijsbergen 1979), half-way down to the next lower probability. Of equal ones the highest.
 *
 * @param probabilities - of the second class.
 * @param isPositive - whether a row is of the second class.
 * @returns null where no row is positive: F1 then says nothing.
 */
export function decisionThreshold(probabilities: ArrayLike<number>, isPositive: readonly boolean[]): number | null {
  const positives = isPositive.filter(Boolean).length;
  if (positives === 0) return null;
  const order = Array.from(isPositive, (_, row) => row).sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  let best = { f1: 0, threshold: 0.5 };
  let hits = 0;
  order.forEach((row, index) => {
    if (isPositive[row]) hits++;
    const here = probabilities[row]!;
    const next = order[index + 1] === undefined ? here : probabilities[order[index + 1]!]!;
    const isLast = index === order.length - 1;
    if (!isLast && next === here) return;
    const f1 = (2 * hits) / (index + 1 + positives);
    if (f1 > best.f1) best = { f1, threshold: isLast ? here : here + (next - here) / 2 };
  });
  return best.threshold;
}
