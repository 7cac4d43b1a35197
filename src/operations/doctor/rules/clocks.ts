import { showSkew } from '../wording.ts';
import type { Clock, DoctorFacts } from '../facts.ts';
import type { Rule } from '../rule.ts';
import { reached } from './machines.ts';

/** Less is ordinary even with NTP over a bad link, and harms nothing. */
const WARN_SECONDS = 1;

export const clocks: Rule = {
  id: 'clocks',
  hazards: ['G04'],
  about: 'the clocks of all machines agree within a second, measured in one round trip each',
  needs: ['machines'],
  judge: (facts) => {
    const measured = clocksOf(facts);
    const reference = measured.find(({ names }) => facts.view.primary !== null && names.includes(facts.view.primary.name)) ?? measured[0];
    if (reference === undefined) return [];
    return measured.flatMap((other) => {
      if (other === reference) return [];
      const skew = other.clock.skewSeconds - reference.clock.skewSeconds;
      const uncertainty = other.clock.uncertaintySeconds + reference.clock.uncertaintySeconds;
      if (Math.abs(skew) - uncertainty <= WARN_SECONDS) return [];
      const [one = ''] = other.names;
      const [base = ''] = reference.names;
      return [
        {
          id: 'clock-skew',
          level: 'warning' as const,
          node: one,
          hazard: 'G04',
          says: `the clock of ${one} is ${showSkew(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} the one of ${base} (± ${showSkew(uncertainty)})`,
          evidence: [`${one}: ${signed(other.clock)} against this machine`, `${base}: ${signed(reference.clock)} against this machine`],
          hint: 'Lag in seconds, recovery_min_apply_delay and the order of log lines hang on it. pgrepl itself decides nothing by clocks. Let both follow the same time servers (chrony, systemd-timesyncd).',
          next: [],
          alsoOf: [...other.names, ...reference.names],
        },
      ];
    });
  },
};

/** One clock for each running kernel, however many nodes it carries; of several measurements the sharpest. */
function clocksOf(facts: DoctorFacts): readonly { readonly names: readonly string[]; readonly clock: Clock }[] {
  const found = new Map<string, { names: string[]; clock: Clock }>();
  for (const { node, machine } of reached(facts)) {
    if (machine.clock === null) continue;
    const key = machine.bootId ?? node.facts.place.via;
    const known = found.get(key);
    if (known === undefined) found.set(key, { names: [node.name], clock: machine.clock });
    else found.set(key, { names: [...known.names, node.name], clock: known.clock.uncertaintySeconds <= machine.clock.uncertaintySeconds ? known.clock : machine.clock });
  }
  return [...found.values()];
}

function signed({ skewSeconds, uncertaintySeconds }: Clock): string {
  return `${skewSeconds < 0 ? '-' : '+'}${showSkew(Math.abs(skewSeconds))} ± ${showSkew(uncertaintySeconds)}`;
}
