export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000' GIT_CONFIG_NOSYSTEM=1
git init -q -b main r; cd r; seq 1 500 > f; git add f; git commit -qm one; for i in 1 2 3 4 5; do sed -i "${i}0s/\$/ changed/" f; git commit -qam "change $i"; done
git log --format='%H %s' | head -n 2; git diff HEAD~2 --stat; git checkout -q -b side HEAD~3; echo new > g; git add g; git commit -qm side; git checkout -q main; git merge -q side -m merge && git rev-parse HEAD^{tree}
cd ..; git clone -q r c; cd c; git gc -q; git fsck; git count-objects -v | grep in-pack; git blame -s f | sed -n 20p; git show --format=%s HEAD^2 | head -n 1
