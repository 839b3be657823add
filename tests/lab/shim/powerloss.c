/*
 * Preloaded into Redis: remembers how much of each file is on the disk, so that a test can take the
 * rest away, as a power cut does. It can also make the disk full.
 *
 *   POWERLOSS_NOTES   a folder: after each successful fsync or fdatasync, the file <device>-<inode> in
 *                     it holds the number of bytes the synced file had when the sync began. What was
 *                     written later has no promise of being there.
 *                     While the file `full` is in it, regular files take half of one more write, and
 *                     then nothing: ENOSPC.
 *
 * Only redis-server is watched; everything else that inherits the preload runs as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *notes(void)
{
	static const char *folder;
	static int asked;

	if (!asked) {
		if (strcmp(program_invocation_short_name, "redis-server") == 0)
			folder = getenv("POWERLOSS_NOTES");
		asked = 1;
	}
	return folder;
}

static int regular(int fd, struct stat *about)
{
	return fstat(fd, about) == 0 && S_ISREG(about->st_mode);
}

static void note(const struct stat *before)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8], text[32];
	int length, out;

	snprintf(path, sizeof path, "%s/%lu-%lu", notes(), (unsigned long)before->st_dev,
		 (unsigned long)before->st_ino);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	length = snprintf(text, sizeof text, "%lld", (long long)before->st_size);
	out = open(temporary, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		return;
	/* A note that is half written never gets its name. */
	if (((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(out, text, length) == length)
		rename(temporary, path);
	close(out);
}

static int synced(const char *call, int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
	struct stat before;
	int watched = notes() && regular(fd, &before);
	int result = real(fd);
	int kept = errno;

	if (result == 0 && watched)
		note(&before);
	errno = kept;
	return result;
}

int fsync(int fd)
{
	return synced("fsync", fd);
}

int fdatasync(int fd)
{
	return synced("fdatasync", fd);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
	static ssize_t (*real)(int, const void *, size_t);
	static int torn;
	char flag[PATH_MAX];
	struct stat about;

	if (!real)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	if (!notes())
		return real(fd, bytes, count);
	snprintf(flag, sizeof flag, "%s/full", notes());
	if (access(flag, F_OK) != 0) {
		errno = 0;
		torn = 0;
		return real(fd, bytes, count);
	}
	/* Logs are regular files too, and must tell of it. */
	if (fd <= STDERR_FILENO || !regular(fd, &about))
		return real(fd, bytes, count);
	if (!torn && count > 1) {
		torn = 1;
		return real(fd, bytes, count / 2);
	}
	errno = ENOSPC;
	return -1;
}
