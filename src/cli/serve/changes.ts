import type { Snapshot } from '../../operations/serve/snapshot.ts';

/** What is different between two looks, one line for each, for a log; of the first look how everything stands. Pure. */
export function changesBetween(before: Snapshot | null, after: Snapshot): readonly string[] {
  const { nodes, verdict } = after.document;
  const states = nodes.flatMap(({ name, role, state }) => {
    const old = before?.document.nodes.find((node) => node.name === name);
    if (old?.role === role && old.state === state) return [];
    return [`${name}: ${old === undefined ? '' : `${old.role}, ${old.state} → `}${role}, ${state}`];
  });
  const writer = before !== null && before.writer !== after.writer ? [`writes go to ${after.writer ?? `nobody: ${after.noWriter}`}`] : [];
  const judged = before?.document.verdict === verdict ? [] : [`verdict: ${verdict}`];
  return [...states, ...writer, ...judged];
}
