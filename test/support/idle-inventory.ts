import type { Inventory } from '../../src/postgres/server.ts';

/** Of a server with nothing in it and nothing going on. */
export const IDLE_INVENTORY: Inventory = {
  databaseBytes: 0,
  tablespaces: [],
  archiveReady: 0,
  archiveFailing: false,
  preparedTransactions: 0,
  runningBackups: 0,
  unloggedTables: [],
  otherManagers: [],
  longTransactions: 0,
  waitingForSync: 0,
  commitLevels: [],
  demands: { locales: [], preload: {}, libraryPath: '$libdir', sharedMemoryBytes: 150 * 1024 ** 2, sharedBuffersBytes: 128 * 1024 ** 2, hugePages: 'try', hugePageSize: '0' },
  walBytesPerSecond: null,
};
