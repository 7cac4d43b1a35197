import type { Registry } from '../plan/step.ts';
import { baseBackup, type BaseBackup } from './base-backup.ts';
import { checkSettings, type CheckSettings } from './check-settings.ts';
import { checkSlot, type CheckSlot } from './check-slot.ts';
import { createPair, type CreatePair } from './create-pair.ts';
import { createRole, type CreateRole } from './create-role.ts';
import { createSlot, type CreateSlot } from './create-slot.ts';
import { dropSlot, type DropSlot } from './drop-slot.ts';
import { handOver, type HandOver } from './hand-over.ts';
import { includeConf, type IncludeConf } from './include-conf.ts';
import { initDatabase, type InitDatabase } from './init-database.ts';
import { finishKept, keepEvidence, type FinishKept, type KeepEvidence } from './keep-evidence.ts';
import { markStandby, type MarkStandby } from './mark-standby.ts';
import { pausePooler, resumePooler, type PausePooler, type ResumePooler } from './pause-pooler.ts';
import { prepareStaging, type PrepareStaging } from './prepare-staging.ts';
import { promoteServer, type PromoteServer } from './promote-server.ts';
import { proveArchiving, type ProveArchiving } from './prove-archiving.ts';
import { proveLogin, type ProveLogin } from './prove-login.ts';
import { proveStreaming, type ProveStreaming } from './prove-streaming.ts';
import { proveSync, type ProveSync } from './prove-sync.ts';
import { finishStaging, publishDirectory, type FinishStaging, type PublishDirectory } from './publish-directory.ts';
import { putBlock, type PutBlock } from './put-block.ts';
import { recoverCrashed, type RecoverCrashed } from './recover-crashed.ts';
import { restoreBackup, type RestoreBackup } from './restore-backup.ts';
import { restoreOwnFiles, type RestoreOwnFiles } from './restore-own-files.ts';
import { allowRewind, endRewindAccess, type AllowRewind, type EndRewindAccess } from './rewind-access.ts';
import { rewindServer, type RewindServer } from './rewind-server.ts';
import { forgetPassword, stagePassword, switchPassword, type ForgetPassword, type StagePassword, type SwitchPassword } from './rotate-password.ts';
import { routePooler, type RoutePooler } from './route-pooler.ts';
import { seeTimeline, type SeeTimeline } from './see-timeline.ts';
import { setAside, type SetAside } from './set-aside.ts';
import { setAsideTablespace, type SetAsideTablespace } from './set-aside-tablespace.ts';
import { checkConfiguration, checkpoint, lockDirectory, resetSystemSettings, type CheckConfiguration, type Checkpoint, type LockDirectory, type ResetSystemSettings } from './small-steps.ts';
import { startServer, type StartServer } from './start-server.ts';
import { restartOnReturn, restartServer, stopServer, type RestartOnReturn, type RestartServer, type StopServer } from './stop-server.ts';
import { stripAutoConf, type StripAutoConf } from './strip-auto-conf.ts';
import { verifyBackup, type VerifyBackup } from './verify-backup.ts';
import type { World } from './world.ts';
import { writeFile, type WriteFile } from './write-file.ts';
import { writePassfile, type WritePassfile } from './write-passfile.ts';

/** Everything that pgrepl can do to the world. */
export type Step =
  | AllowRewind
  | BaseBackup
  | CheckConfiguration
  | CheckSettings
  | CheckSlot
  | Checkpoint
  | CreatePair
  | CreateRole
  | CreateSlot
  | DropSlot
  | EndRewindAccess
  | FinishKept
  | FinishStaging
  | ForgetPassword
  | HandOver
  | IncludeConf
  | InitDatabase
  | KeepEvidence
  | LockDirectory
  | MarkStandby
  | PausePooler
  | PrepareStaging
  | PromoteServer
  | ProveArchiving
  | ProveLogin
  | ProveStreaming
  | ProveSync
  | PublishDirectory
  | PutBlock
  | RecoverCrashed
  | ResetSystemSettings
  | RestartOnReturn
  | RestartServer
  | RestoreBackup
  | RestoreOwnFiles
  | ResumePooler
  | RewindServer
  | RoutePooler
  | SeeTimeline
  | SetAside
  | SetAsideTablespace
  | StagePassword
  | StartServer
  | StopServer
  | StripAutoConf
  | SwitchPassword
  | VerifyBackup
  | WriteFile
  | WritePassfile;

/** How each of them is done. */
export const registry: Registry<Step, World> = {
  'allow-rewind': allowRewind,
  'base-backup': baseBackup,
  'check-configuration': checkConfiguration,
  'check-settings': checkSettings,
  'check-slot': checkSlot,
  checkpoint,
  'create-pair': createPair,
  'create-role': createRole,
  'create-slot': createSlot,
  'drop-slot': dropSlot,
  'end-rewind-access': endRewindAccess,
  'finish-kept': finishKept,
  'finish-staging': finishStaging,
  'forget-password': forgetPassword,
  'hand-over': handOver,
  'include-conf': includeConf,
  'init-database': initDatabase,
  'keep-evidence': keepEvidence,
  'lock-directory': lockDirectory,
  'mark-standby': markStandby,
  'pause-pooler': pausePooler,
  'prepare-staging': prepareStaging,
  'promote-server': promoteServer,
  'prove-archiving': proveArchiving,
  'prove-login': proveLogin,
  'prove-streaming': proveStreaming,
  'prove-sync': proveSync,
  'publish-directory': publishDirectory,
  'put-block': putBlock,
  'recover-crashed': recoverCrashed,
  'reset-system-settings': resetSystemSettings,
  'restart-on-return': restartOnReturn,
  'restart-server': restartServer,
  'restore-backup': restoreBackup,
  'restore-own-files': restoreOwnFiles,
  'resume-pooler': resumePooler,
  'rewind-server': rewindServer,
  'route-pooler': routePooler,
  'see-timeline': seeTimeline,
  'set-aside': setAside,
  'set-aside-tablespace': setAsideTablespace,
  'stage-password': stagePassword,
  'start-server': startServer,
  'stop-server': stopServer,
  'strip-auto-conf': stripAutoConf,
  'switch-password': switchPassword,
  'verify-backup': verifyBackup,
  'write-file': writeFile,
  'write-passfile': writePassfile,
};
