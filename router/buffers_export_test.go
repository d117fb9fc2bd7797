package router

const MostWide = mostWide

func WideTaken() int { return int(wides.taken.Load()) }
