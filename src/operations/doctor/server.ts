import { asPgreplError } from '../../errors.ts';
import type { NodeWorld } from '../../steps/world.ts';
import { within, type Limits } from '../within.ts';
import type { ServerExtras } from './facts.ts';

type Seen = { -readonly [K in keyof ServerExtras]: ServerExtras[K] };

/** What is asked besides what every rule may need. */
export interface Wants {
  readonly health: boolean;
  readonly databases: boolean;
}

/** Asks a running server what its status does not tell, all of it in one session. Changes nothing; what does not come in time stays unknown. */
export async function askServer(node: NodeWorld, wants: Wants, limits: Limits): Promise<ServerExtras> {
  const seen: Seen = { role: undefined, otherManagers: null, commitLevels: null, hba: null, health: null, files: null, databases: null, rates: null };
  await within(limits, fill(node, wants, seen));
  return { ...seen };
}

async function fill(node: NodeWorld, wants: Wants, seen: Seen): Promise<void> {
  const server = await node.server();
  const piece = async (work: Promise<void>): Promise<void> => {
    await work.catch((thrown: unknown) => {
      const error = asPgreplError(thrown);
      if (error.kind === 'bug') throw error;
    });
  };
  await Promise.all([
    ...(wants.health ? [piece(server.health().then((health) => void (seen.health = health))), piece(server.fileHealth().then((files) => void (seen.files = files)))] : []),
    piece(server.role(node.place.replicationUser).then((role) => void (seen.role = role))),
    piece(server.otherManagers().then((managers) => void (seen.otherManagers = managers))),
    piece(server.commitLevels().then((levels) => void (seen.commitLevels = levels))),
    piece(import('./certificate.ts').then(async ({ lookAtCertificate }) => { seen.certificate = await lookAtCertificate(node); })),
    piece(readHba(node).then((hba) => void (seen.hba = hba))),
    ...(wants.databases ? [piece(intoDatabases(node).then((databases) => void (seen.databases = databases)))] : []),
  ]);
}

/** Only of a primary: its standbys have the same tables, and their statistics know nothing of vacuum. */
async function intoDatabases(node: NodeWorld): Promise<ServerExtras['databases']> {
  const server = await node.server();
  return (await server.positions()).inRecovery ? null : await server.databaseHealth();
}

async function readHba(node: NodeWorld): Promise<ServerExtras['hba']> {
  const server = await node.server();
  const file = (await server.facts()).hbaFile;
  const [text, loaded] = await Promise.all([node.host.readText(file), server.hasLoaded(file)]);
  return text === null ? null : { file, text, loaded };
}
