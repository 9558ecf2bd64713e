package connlimit

// Limits of what a process opens besides its clients' connections: the store's connections, listeners,
// logs, the runtime's own.
const (
	minRest = 16
	maxRest = 128
)

// Default is the limit for a process that may open so many files; 0 when there is no bound.
func Default() int { return defaultOf(openFiles()) }

// Most is the largest limit that the process can keep to; 0 when there is no bound.
func Most() int {
	files := openFiles()
	if files == 0 {
		return 0
	}
	return max(1, files-minRest)
}

func defaultOf(files int) int {
	if files == 0 {
		return 0
	}
	return max(1, files-min(maxRest, max(minRest, files/8)))
}

// maxOverFor returns how many connections may be open above the limit, so that health checks are
// still answered: half of the files that the limit leaves.
func maxOverFor(files, limit int) int {
	if files == 0 || limit == 0 {
		return maxOver
	}
	return min(maxOver, max(minOver, (files-limit)/2))
}
