#!/usr/bin/env node
// The shim: says what is wrong with an old Node before anything is loaded that an old Node cannot read.
import module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 12)) {
  process.stderr.write(`✖ pgrepl needs Node.js 20.12 or newer, and this is ${process.versions.node}\n`);
  process.exit(2);
}

// Node 22 and newer keep compiled code; in the user's cache, never beside the installed package.
if (module.enableCompileCache) {
  const configured = process.env.XDG_CACHE_HOME;
  module.enableCompileCache(join(configured && isAbsolute(configured) ? configured : join(homedir(), '.cache'), 'pgrepl', 'code'));
}

await import('../dist/main.js');
