import type { Rule } from '../rule.ts';

/** The hazard that a finding of the status is about; those that are about none are missing. */
const HAZARDS: Readonly<Record<string, string>> = {
  'two-primaries': 'G21', 'no-primary': 'I21', 'open-fence': 'H02', fenced: 'I01', 'node-silent': 'G13', 'node-unreachable': 'H02', 'node-full': 'G14', 'node-closed': 'G16', 'node-starting': 'G15', 'node-stopping': 'G15',
  'foreign-system-identifier': 'J27', 'self-following': 'D08', loop: 'D09', 'clock-skew': 'G04', 'unfinished-run': 'D03', 'pending-restart': 'A14', 'no-permission': 'G18',
  'not-attached': 'G06', 'attachment-unproved': 'G06', 'other-upstream': 'J26', 'replay-paused': 'A02', 'paused-by-hand': 'G05', 'parameter-lower': 'A01', 'password-in-conninfo': 'C03',
  'slot-lost': 'E05', 'slot-inactive': 'E01', 'slot-retention': 'E03', 'slot-no-limit': 'E02',
  'commits-wait': 'F01', 'commits-slow': 'F16', 'sync-slow': 'F16', 'sync-member-away': 'F04', 'sync-wildcard': 'F07', 'sync-duplicate': 'F06', 'sync-remote-write': 'F11', 'sync-not-waited': 'F12', 'sync-differs': 'F09',
};

/** What `status` finds is part of what the doctor says, judged by the status' own code. */
export const status: Rule = {
  id: 'status',
  hazards: [...new Set(Object.values(HAZARDS))].sort(),
  about: 'everything that pgrepl status finds: primaries, streams, lag, slots, unfinished runs',
  needs: [],
  judge: ({ status: document }) => document.findings.map((finding) => ({ ...finding, hazard: HAZARDS[finding.id] ?? null, evidence: [] })),
};
