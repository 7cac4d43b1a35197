import type { Case } from '../measure.ts'; export const failover: Case = { name: 'failover', run: async () => [] };
