import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isBrief } from './at-hand.ts';

/** Runs docker and returns what it printed; a failure carries what it complained about. */
export function docker(...words: readonly string[]): string {
  return execFileSync('docker', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** Why no container can be run here, `null` when one can: there is a daemon, and a base image can be pulled or made. The short run asks nobody for images. */
export function whyNoDocker(): string | null {
  if (isBrief()) return 'it is told with PGREPL_STORIES=wide';
  try {
    docker('version', '--format', '{{.Server.Version}}');
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'docker is not installed' : 'no docker daemon answers';
  }
  try {
    baseImage('bookworm');
    return null;
  } catch {
    return 'the base image can neither be pulled nor made';
  }
}

/** Makes sure that `debian:SUITE-slim` is there, from the registry or made here. */
export function baseImage(suite: string): string {
  execFileSync(fileURLToPath(new URL('../../scripts/base-image.sh', import.meta.url)), [suite], { stdio: ['ignore', 'ignore', 'inherit'] });
  return `debian:${suite}-slim`;
}

/** Builds an image out of these lines, which begin with a base of `baseImage`; the second time costs nothing. */
export function builtImage(name: string, lines: string): string {
  for (const [, suite = ''] of lines.matchAll(/^FROM debian:([a-z]+)-slim$/gm)) baseImage(suite);
  execFileSync('docker', ['build', '--quiet', '--tag', name, '-'], { input: lines, stdio: ['pipe', 'ignore', 'inherit'] });
  return name;
}

/** Starts a container that does nothing, of this image; it stays when it stops, until `removeContainer`. */
export function idleContainer(name: string, image: string, ...options: readonly string[]): void {
  // An init of its own, as every machine has one: orphans of killed programs are waited for.
  docker('run', '--detach', '--init', '--name', name, ...options, image, 'sleep', 'infinity');
}

/** Removes it, whatever it does; fine when it is gone. */
export function removeContainer(name: string): void {
  try {
    docker('rm', '--force', '--volumes', name);
  } catch {
    // It removes itself when it stops.
  }
}
