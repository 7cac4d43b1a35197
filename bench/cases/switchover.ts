import type { Case } from '../measure.ts'; export const switchover: Case = { name: 'switchover', run: async () => [] };
