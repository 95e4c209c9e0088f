"""What single pictures and rankings say; what they share with pairs stands one door before."""
