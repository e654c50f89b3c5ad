# Regular expressions, hashes, sorting, string building.
use strict;
my %count;
my $text = join ' ', map { "word" . ($_ * 7919 % 997) } 1 .. 60000;
$count{$1}++ while $text =~ /(\w+)/g;
my @top = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my $sum = 0;
$sum += $_ * 3 % 11 for 1 .. 800000;
(my $copy = $text) =~ s/word(\d)/W$1/g;
print scalar(@top), " $top[0] $sum ", length($copy), "\n";
