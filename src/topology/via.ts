/** `local`, `ssh://[user@]host[:port]`, `docker://container`, and a container on a machine behind ssh: `ssh://host/docker/container`. */
export const VIA = /^(?:local|ssh:\/\/(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:\/docker\/[A-Za-z0-9][A-Za-z0-9_.-]*)?|docker:\/\/[A-Za-z0-9][A-Za-z0-9_.-]*)$/;
