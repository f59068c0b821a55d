package relay

// DropReasons are the values of a metric's label.
func DropReasons() (list []string) {
	for _, r := range dropReasons {
		list = append(list, string(r))
	}
	return list
}
