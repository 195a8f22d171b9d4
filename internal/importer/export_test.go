package importer

// WatchCommits has f called just before and just after each commit of a sync.
func (i *Importer) WatchCommits(f func(turn int, committed bool)) { i.watchCommits = f }
