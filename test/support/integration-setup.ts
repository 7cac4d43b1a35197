import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installations } from './at-hand.ts';
import { openRoad } from './road.ts';
import { serverAccount } from './server-account.ts';

/** Builds what is tested, once: the stories run the program as it is installed. Opens the road that they go by. */
export default async function setup(): Promise<() => void> {
  installations();
  const build = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'scripts', 'build.js');
  const { status } = spawnSync(process.execPath, [build], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
  return await openRoad(serverAccount().name);
}
