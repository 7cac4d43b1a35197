import type { Case } from '../measure.ts'; export const addStandby: Case = { name: 'add-standby', run: async () => [] };
