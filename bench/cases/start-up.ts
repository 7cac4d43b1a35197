import { interleave, result, timeProgram, type Case } from '../measure.ts';
import { PGREPL } from '../../test/support/run-pgrepl.ts';

/** What everybody pays before anything happens. */
export const startUp: Case = {
  name: 'start-up',
  run: async ({ short, env }) => {
    const node = process.execPath;
    const [bare = [], version = [], help = []] = await interleave(short ? 11 : 41, [
      async () => await timeProgram([node, '-e', '0'], { env }),
      async () => await timeProgram([node, PGREPL, '--version'], { env }),
      async () => await timeProgram([node, PGREPL, '--help'], { env }),
    ], 3);
    return [
      result({ what: 'pgrepl --version', reference: 'node -e 0', unit: 'ms', budget: 1.9, wished: 1.3 }, version, bare),
      result({ what: 'pgrepl --help', reference: 'node -e 0', unit: 'ms', budget: 1.9, wished: 1.3 }, help, bare),
    ];
  },
};
